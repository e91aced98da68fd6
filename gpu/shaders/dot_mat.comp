//build: dot_mat_q8_0 -DQ8_0
//build: dot_mat_q4_0 -DQ4_0
//build: dot_mat_q4_k -DQ4_K
//build: dot_mat_q6_k -DQ6_K
//build: dot_mat_q2_k -DQ2_K
//build: dot_mat_q3_k -DQ3_K
//build: dot_mat_iq4_nl -DIQ4_NL
//build: dot_mat_iq4_xs -DIQ4_XS
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require
// MatMul with I0 = 1 by a frozen weight: T0 [m, n] = scale * T1 [m, k] · T2ᵀ, T2 [n, k], with
// packed 8-bit dot products. T1 is what dot_round made of it. A workgroup of 16 x 16
// computes a tile of 16*TM x 16*TN results, a block of 32 terms at a time; the next
// blocks are loaded before the present ones are multiplied.
layout(local_size_x_id = 0) in; // 256
layout(constant_id = 1) const uint TM = 4;
layout(constant_id = 2) const uint TN = 4;

#include "weight.glsl"

// T1's codes, 32 bytes a block, from p.xo on, and p.depth words later step and sum of each
// block.
layout(set = 0, binding = 1, std430) readonly buffer A4 { ivec4 a4[]; };
layout(set = 0, binding = 1, std430) readonly buffer A2 { vec2 a2[]; };

// dot4 is OpSDot of SPV_KHR_integer_dot_product, with four signed bytes in a word.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int dot4(int a, int b, spirv_literal int packed);

int dot16(ivec4 a, ivec4 b) { return dot4(a.x, b.x, 0) + dot4(a.y, b.y, 0) + dot4(a.z, b.z, 0) + dot4(a.w, b.w, 0); }

#if defined(IQ4_NL) || defined(IQ4_XS)
ivec4 codebookVector(uvec4 v) { return ivec4(codebookBytes(v.x), codebookBytes(v.y), codebookBytes(v.z), codebookBytes(v.w)); }
#endif

// codes returns half h of block b of a row of T2 as signed bytes, and factors what
// its halves are to be multiplied by; for Q4_K, scale and minimum; for Q2_K, the scales of
// its halves and then their minima.
#if defined(Q8_0)
ivec4 codes(uint row, uint b, uint h) { return ivec4(w4[(p.wo + row * p.pitch + b) * 2 + h]); }

vec2 factors(uint row, uint b) { return vec2(scaleOf(row * p.pitch + b)); }
#elif defined(Q4_0)
ivec4 codes(uint row, uint b, uint h) {
	uvec4 v = w4[p.wo + row * p.pitch + b] >> (4 * h) & 0x0f0f0f0fu;
	return ivec4((v | 0x80808080u) - 0x08080808u ^ 0x80808080u);
}

vec2 factors(uint row, uint b) { return vec2(scaleOf(row * p.pitch + b)); }
#elif defined(Q4_K)
#define MINIMUM
ivec4 codes(uint row, uint b, uint h) {
	uint block = (p.wo + row * p.pitch + b / 8) * 9, g = b & 7;
	return ivec4(w4[block + 1 + g / 2 * 2 + h] >> (4 * (g & 1)) & 0x0f0f0f0fu);
}

vec2 factors(uint row, uint b) {
	Chunk q;
	q.head = w4[(p.wo + row * p.pitch + b / 8) * 9];
	q.pair = b / 2 & 3;
	return scales(q, b & 1);
}
#elif defined(IQ4_NL)
ivec4 codes(uint row, uint b, uint h) { return codebookVector(w4[p.wo + row * p.pitch + b] >> (4 * h) & 0x0f0f0f0fu); }

vec2 factors(uint row, uint b) { return vec2(scaleOf(row * p.pitch + b)); }
#elif defined(IQ4_XS)
ivec4 codes(uint row, uint b, uint h) {
	uint at = (p.wo + row * p.pitch + b / 8) * 17 + 1 + 2 * (b & 7);
	return codebookVector(uvec4(w2[at], w2[at + 1]) >> (4 * h) & 0x0f0f0f0fu);
}

vec2 factors(uint row, uint b) { return vec2(scaleOfGroup(w2[(p.wo + row * p.pitch + b / 8) * 17], b & 7)); }
#elif defined(Q2_K)
#define HALVES
#define MINIMUM
ivec4 codes(uint row, uint b, uint h) {
	uint at = (p.wo + row * p.pitch + b / 8) * 21 + 4 + 8 * (b / 4 & 1) + 4 * h;
	return ivec4(uvec4(w[at], w[at + 1], w[at + 2], w[at + 3]) >> (2 * (b & 3)) & 0x03030303u);
}

vec4 factors(uint row, uint b) {
	uint block = (p.wo + row * p.pitch + b / 8) * 21, s = w[block + (b / 2 & 3)] >> (16 * (b & 1));
	return unpackHalf2x16(w[block + 20]).xxyy * vec4(s & 15u, s >> 8 & 15u, s >> 4 & 15u, s >> 12 & 15u);
}
#elif defined(Q3_K)
#define HALVES
ivec4 codes(uint row, uint b, uint h) {
	uint block = (p.wo + row * p.pitch + b / 8) * 7, g = b & 7;
	uvec4 v = w4[block + 2 + g / 4 * 2 + h] >> (2 * (g & 3)) & 0x03030303u | (w4[block + h] >> g & 0x01010101u) << 2;
	return ivec4((v | 0x80808080u) - 0x04040404u ^ 0x80808080u);
}

vec2 factors(uint row, uint b) {
	uvec4 tail = w4[(p.wo + row * p.pitch + b / 8) * 7 + 6];
	uint g = b & 7, low = ((g & 2) == 0 ? tail.x : tail.y) >> (g / 4 * 4 + 16 * (g & 1)), high = tail.z >> (g / 2 * 2 + 16 * (g & 1));
	uvec2 s = uvec2(low & 15u | (high & 3u) << 4, low >> 8 & 15u | (high >> 8 & 3u) << 4);
	return unpackHalf2x16(tail.w).x * (vec2(s) - 32);
}
#else // Q6_K
#define HALVES
ivec4 codes(uint row, uint b, uint h) {
	uint block = (p.wo + row * p.pitch + b / 8) * 53, part = b / 4 & 1, quarter = b & 3;
	uint low = block + 16 * part + 8 * (quarter & 1) + 4 * h, upper = block + 32 + 8 * part + 4 * h;
	uvec4 l = uvec4(w[low], w[low + 1], w[low + 2], w[low + 3]), u = uvec4(w[upper], w[upper + 1], w[upper + 2], w[upper + 3]);
	uvec4 v = l >> (quarter / 2 * 4) & 0x0f0f0f0fu | (u >> (2 * quarter) & 0x03030303u) << 4;
	return ivec4((v | 0x80808080u) - 0x20202020u ^ 0x80808080u);
}

vec2 factors(uint row, uint b) {
	uint block = (p.wo + row * p.pitch + b / 8) * 53, g = b & 7;
	int s = int(w[block + 48 + g / 2]) >> (16 * (g & 1));
	return unpackHalf2x16(w[block + 52]).x * vec2(bitfieldExtract(s, 0, 8), bitfieldExtract(s, 8, 8));
}
#endif

#if defined(HALVES) && defined(MINIMUM)
#define FACTORS vec4
#else
#define FACTORS vec2
#endif

const uint PITCH = 3; // vectors of 16 codes from row to row: odd, for the banks
const uint ALOADS = (32 * TM + 255) / 256, BLOADS = (32 * TN + 255) / 256;

shared ivec4 atile[16 * TM * PITCH];
shared ivec4 btile[16 * TN * PITCH];
shared vec2 asteps[16 * TM];
shared FACTORS bsteps[16 * TN];

void main() {
	uint lane = gl_LocalInvocationID.x, tx = lane % 16, ty = lane / 16;
	uint col0 = gl_WorkGroupID.x * 16 * TN, row0 = gl_WorkGroupID.y * 16 * TM;
	uint blocks = p.k / 32;
	float acc[TM * TN];
	[[unroll]] for (uint i = 0; i < TM * TN; i++)
		acc[i] = 0;
	ivec4 anext[ALOADS], bnext[BLOADS];
	vec2 asnext[ALOADS];
	FACTORS bsnext[BLOADS];
	for (uint at = 0; at <= blocks; at++) {
		// The blocks at-1 are multiplied in this turn, those of at loaded.
		if (at > 0) {
			barrier();
			[[unroll]] for (uint l = 0; l < ALOADS; l++) {
				uint i = lane + 256 * l;
				if (i < 32 * TM) {
					atile[i / 2 * PITCH + i % 2] = anext[l];
					if (i % 2 == 0)
						asteps[i / 2] = asnext[l];
				}
			}
			[[unroll]] for (uint l = 0; l < BLOADS; l++) {
				uint i = lane + 256 * l;
				if (i < 32 * TN) {
					btile[i / 2 * PITCH + i % 2] = bnext[l];
					if (i % 2 == 0)
						bsteps[i / 2] = bsnext[l];
				}
			}
			barrier();
		}
		if (at < blocks) {
			[[unroll]] for (uint l = 0; l < ALOADS; l++) {
				uint i = lane + 256 * l, row = row0 + i / 2;
				anext[l] = ivec4(0);
				asnext[l] = vec2(0);
				if (i < 32 * TM && row < p.m) {
					anext[l] = a4[p.xo / 4 + (row * blocks + at) * 2 + i % 2];
					asnext[l] = a2[(p.xo + p.depth) / 2 + row * blocks + at];
				}
			}
			[[unroll]] for (uint l = 0; l < BLOADS; l++) {
				uint i = lane + 256 * l, row = col0 + i / 2;
				bnext[l] = ivec4(0);
				bsnext[l] = FACTORS(0);
				if (i < 32 * TN && row < p.n) {
					bnext[l] = codes(row, at, i % 2);
					bsnext[l] = factors(row, at);
				}
			}
		}
		if (at > 0) {
			ivec4 b0[TN], b1[TN];
			FACTORS bs[TN];
			[[unroll]] for (uint j = 0; j < TN; j++) {
				uint c = tx + 16 * j;
				b0[j] = btile[c * PITCH];
				b1[j] = btile[c * PITCH + 1];
				bs[j] = bsteps[c];
			}
			[[unroll]] for (uint i = 0; i < TM; i++) {
				uint r = ty + 16 * i;
				ivec4 a0 = atile[r * PITCH], a1 = atile[r * PITCH + 1];
				vec2 as = asteps[r];
#if defined(HALVES) && defined(MINIMUM)
				vec2 sums = vec2(dot16(a0, ivec4(0x01010101)), dot16(a1, ivec4(0x01010101)));
#endif
				[[unroll]] for (uint j = 0; j < TN; j++) {
#if defined(HALVES) && defined(MINIMUM)
					acc[i * TN + j] += as.x * (bs[j].x * dot16(a0, b0[j]) + bs[j].y * dot16(a1, b1[j]) - dot(bs[j].zw, sums));
#elif defined(HALVES)
					acc[i * TN + j] += as.x * (bs[j].x * dot16(a0, b0[j]) + bs[j].y * dot16(a1, b1[j]));
#elif defined(MINIMUM)
					acc[i * TN + j] += as.x * bs[j].x * (dot16(a0, b0[j]) + dot16(a1, b1[j])) - as.y * bs[j].y;
#else
					acc[i * TN + j] += as.x * bs[j].x * (dot16(a0, b0[j]) + dot16(a1, b1[j]));
#endif
				}
			}
		}
	}
	[[unroll]] for (uint i = 0; i < TM; i++) {
		uint row = row0 + ty + 16 * i;
		[[unroll]] for (uint j = 0; j < TN; j++) {
			uint col = col0 + tx + 16 * j;
			if (row < p.m && col < p.n) {
				uint o = p.yo + row * p.ys + col;
				float sum = p.scale * acc[i * TN + j];
				if (p.accumulate != 0)
					sum += y[o];
				y[o] = sum;
			}
		}
	}
}
