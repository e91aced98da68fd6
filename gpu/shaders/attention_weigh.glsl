// Defines WEIGH(count, column): to the row 4*ty+i of SUM it adds the rows FROM(n, c) for n
// below count, weighted by tile[n][4*ty+i]. Invocation tx has the columns
// column + 2*SIDE*j + tx, and SIDE more, as SUM[i*PAIRS + j]. The tile has weights of
// zero from count to the next multiple of SIDE.
void WEIGH(uint count, uint column) {
	for (uint n0 = 0; n0 < count; n0 += SIDE) {
		barrier();
		for (uint n = tid; n < SIDE * PAIRS * SIDE; n += SIDE * SIDE) {
			uint c = column + 2 * SIDE * (n / SIDE % PAIRS) + n % SIDE, r = n0 + n / SIDE / PAIRS;
			lines[n] = vec2(FROM(r, c), FROM(r, c + SIDE));
		}
		barrier();
		for (uint n = 0; n < SIDE; n += 4) {
			[[unroll]] for (uint e = 0; e < 4; e++) {
				vec4 w = tile[(n0 + n + e) * LINE + ty];
				[[unroll]] for (uint j = 0; j < PAIRS; j++) {
					vec2 x = lines[((n + e) * PAIRS + j) * SIDE + tx];
					[[unroll]] for (uint i = 0; i < 4; i++)
						SUM[i * PAIRS + j] += w[i] * x;
				}
			}
		}
	}
}
#undef WEIGH
#undef SUM
#undef FROM
