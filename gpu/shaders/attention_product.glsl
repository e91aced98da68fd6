// Defines PRODUCT(d): SUM[i][j] = the sum of LEFT(4*ty+i, c) * RIGHT(4*tx+j, c) over the
// columns c below d. It begins and ends with other invocations still at work on the tile.
void PRODUCT(uint d) {
	[[unroll]] for (uint i = 0; i < 4; i++)
		SUM[i] = vec4(0);
	for (uint c0 = 0; c0 < d; c0 += STEP) {
		barrier();
		for (uint n = tid; n < STEP * SIDE; n += SIDE * SIDE) {
			uint c = n % STEP, r = n / STEP;
			vec4 x = vec4(0), y = vec4(0);
			if (c0 + c < d) {
				x = vec4(LEFT(4 * r, c0 + c), LEFT(4 * r + 1, c0 + c), LEFT(4 * r + 2, c0 + c), LEFT(4 * r + 3, c0 + c));
				y = vec4(RIGHT(4 * r, c0 + c), RIGHT(4 * r + 1, c0 + c), RIGHT(4 * r + 2, c0 + c), RIGHT(4 * r + 3, c0 + c));
			}
			tile[c * LINE + r] = x;
			tile[(STEP + c) * LINE + r] = y;
		}
		barrier();
		uint end = min(STEP, d - c0);
		for (uint c = 0; c < end; c += 8) {            // columns from end on are zeros
			[[unroll]] for (uint e = 0; e < 8; e++) {
				vec4 x = tile[(c + e) * LINE + ty], y = tile[(STEP + c + e) * LINE + tx];
				[[unroll]] for (uint i = 0; i < 4; i++)
					SUM[i] += x[i] * y;
			}
		}
	}
}
#undef PRODUCT
#undef SUM
#undef LEFT
#undef RIGHT
