//build: weight_mat_f16 -DF16 -DTRANSPOSED
//build: weight_mat_back_f16 -DF16
//build: weight_mat_bf16 -DBF16 -DTRANSPOSED
//build: weight_mat_back_bf16 -DBF16
//build: weight_mat_q8_0 -DQ8_0 -DTRANSPOSED
//build: weight_mat_back_q8_0 -DQ8_0
//build: weight_mat_q4_0 -DQ4_0 -DTRANSPOSED
//build: weight_mat_back_q4_0 -DQ4_0
//build: weight_mat_q4_1 -DQ4_1 -DTRANSPOSED
//build: weight_mat_back_q4_1 -DQ4_1
//build: weight_mat_q5_0 -DQ5_0 -DTRANSPOSED
//build: weight_mat_back_q5_0 -DQ5_0
//build: weight_mat_q5_1 -DQ5_1 -DTRANSPOSED
//build: weight_mat_back_q5_1 -DQ5_1
//build: weight_mat_q4_k -DQ4_K -DTRANSPOSED
//build: weight_mat_back_q4_k -DQ4_K
//build: weight_mat_q5_k -DQ5_K -DTRANSPOSED
//build: weight_mat_back_q5_k -DQ5_K
//build: weight_mat_q6_k -DQ6_K -DTRANSPOSED
//build: weight_mat_back_q6_k -DQ6_K
//build: weight_mat_q2_k -DQ2_K -DTRANSPOSED
//build: weight_mat_back_q2_k -DQ2_K
//build: weight_mat_q3_k -DQ3_K -DTRANSPOSED
//build: weight_mat_back_q3_k -DQ3_K
//build: weight_mat_iq4_nl -DIQ4_NL -DTRANSPOSED
//build: weight_mat_back_iq4_nl -DIQ4_NL
//build: weight_mat_iq4_xs -DIQ4_XS -DTRANSPOSED
//build: weight_mat_back_iq4_xs -DIQ4_XS
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// MatMul by a frozen weight T2: T0 [m, n] = scale * T1 [m, k] · T2ᵀ with T2 [n, k] where
// TRANSPOSED is defined (I0 = 1), and T1 [m, k] · T2 [k, n] else. A workgroup of H x 16
// computes a tile of H*TM x 16*TN results, 16 terms at a time, from tiles of T1 and of
// T2, which is brought to float32 on the way. The next tiles are loaded before the
// present ones are multiplied. Workgroups of different z compute parts of the sums.
layout(local_size_x_id = 0) in; // a multiple of 64
layout(constant_id = 1) const uint TM = 2;
layout(constant_id = 2) const uint TN = 2;
layout(constant_id = 3) const uint ALIGNED = 0;      // T1 in vectors of four
layout(constant_id = 4) const uint WHOLE_CHUNKS = 1; // rows of T2 are chunks

#include "weight.glsl"

const uint PITCH = 5; // vectors of four terms from row to row of a tile: odd, for the banks
const uint H = gl_WorkGroupSize.x / 16;
const uint XLOADS = (TM + 3) / 4, WLOADS = (64 * TN - 1) / gl_WorkGroupSize.x + 1; // of an invocation

shared vec4 xtile[H * TM * PITCH];
shared vec4 wtile[16 * TN * PITCH];

// activations returns T1[row, e .. e+3], zeros from end on.
vec4 activations(uint row, uint e, uint end) {
	if (row >= p.m || e >= end)
		return vec4(0);
	uint i = p.xo + row * p.xr + e * p.xc;
	if (ALIGNED != 0 && e + 4 <= end)
		return x4[i / 4];
	return vec4(x[i], e + 1 < end ? x[i + p.xc] : 0, e + 2 < end ? x[i + 2 * p.xc] : 0, e + 3 < end ? x[i + 3 * p.xc] : 0);
}

// weights returns T2[row, e .. e+3], zeros from its last column on.
vec4 weights(uint row, uint e) {
	if (e >= p.cols)
		return vec4(0);
#ifdef ANY_COLUMNS
	if (WHOLE_CHUNKS == 0)
		return vec4(element(row, e), e + 1 < p.cols ? element(row, e + 1) : 0,
			e + 2 < p.cols ? element(row, e + 2) : 0, e + 3 < p.cols ? element(row, e + 3) : 0);
#endif
	Chunk q = chunk(row, chunkOf(e));
	uint i = quadOf(e);
#ifdef SCALED
	return quad(q, i) * factor(q, i);
#else
	return quad(q, i);
#endif
}

void main() {
	uint lane = gl_LocalInvocationID.x, tx = lane % 16, ty = lane / 16;
	uint col0 = gl_WorkGroupID.x * 16 * TN, row0 = gl_WorkGroupID.y * H * TM;
	uint from = gl_WorkGroupID.z * p.depth, end = min(from + p.depth, p.k);
	float acc[TM * TN];
	[[unroll]] for (uint i = 0; i < TM * TN; i++)
		acc[i] = 0;
	vec4 xnext[XLOADS], wnext[WLOADS];
	for (uint at = from; at < end + 16; at += 16) {
		// The tiles of at-16 are multiplied in this turn, those of at loaded.
		if (at > from) {
			barrier();
			[[unroll]] for (uint l = 0; l < XLOADS; l++) {
				uint i = lane + gl_WorkGroupSize.x * l;
				if (i < 4 * H * TM)
					xtile[i / 4 * PITCH + i % 4] = xnext[l];
			}
			[[unroll]] for (uint l = 0; l < WLOADS; l++) {
				uint i = lane + gl_WorkGroupSize.x * l;
				if (i < 64 * TN) {
#ifdef TRANSPOSED
					wtile[i / 4 * PITCH + i % 4] = wnext[l];
#else
					uint t = i % 16, c = i / 16 * 4 * PITCH + t / 4;
					wtile[c][t % 4] = wnext[l].x;
					wtile[c + PITCH][t % 4] = wnext[l].y;
					wtile[c + 2 * PITCH][t % 4] = wnext[l].z;
					wtile[c + 3 * PITCH][t % 4] = wnext[l].w;
#endif
				}
			}
			barrier();
		}
		if (at < end) {
			[[unroll]] for (uint l = 0; l < XLOADS; l++) {
				uint i = lane + gl_WorkGroupSize.x * l;
				if (i < 4 * H * TM)
					xnext[l] = activations(row0 + i / 4, at + i % 4 * 4, end);
			}
			[[unroll]] for (uint l = 0; l < WLOADS; l++) {
				uint i = lane + gl_WorkGroupSize.x * l;
				wnext[l] = vec4(0);
#ifdef TRANSPOSED
				if (i < 64 * TN && col0 + i / 4 < p.n && at + i % 4 * 4 < end)
					wnext[l] = weights(col0 + i / 4, at + i % 4 * 4);
#else
				if (i < 64 * TN && at + i % 16 < end)
					wnext[l] = weights(at + i % 16, col0 + i / 16 * 4);
#endif
			}
		}
		if (at > from) {
			[[unroll]] for (uint t = 0; t < 4; t++) {
				vec4 b[TN];
				[[unroll]] for (uint j = 0; j < TN; j++)
					b[j] = wtile[(tx + 16 * j) * PITCH + t];
				[[unroll]] for (uint i = 0; i < TM; i++) {
					vec4 a = xtile[(ty + H * i) * PITCH + t];
					[[unroll]] for (uint j = 0; j < TN; j++) {
						acc[i * TN + j] += a.x * b[j].x;
						acc[i * TN + j] += a.y * b[j].y;
						acc[i * TN + j] += a.z * b[j].z;
						acc[i * TN + j] += a.w * b[j].w;
					}
				}
			}
		}
	}
	[[unroll]] for (uint i = 0; i < TM; i++) {
		uint row = row0 + ty + H * i;
		[[unroll]] for (uint j = 0; j < TN; j++) {
			uint col = col0 + tx + 16 * j;
			if (row < p.m && col < p.n) {
				uint o = p.yo + gl_WorkGroupID.z * p.slice + row * p.ys + col;
				float sum = p.scale * acc[i * TN + j];
				if (p.accumulate != 0)
					sum += y[o];
				y[o] = sum;
			}
		}
	}
}
