//build: coop_mat_f16 tool=glslang -DF16
//build: coop_mat_q8_0 tool=glslang -DQ8_0
//build: coop_mat_q4_0 tool=glslang -DQ4_0
//build: coop_mat_q4_1 tool=glslang -DQ4_1
//build: coop_mat_q5_0 tool=glslang -DQ5_0
//build: coop_mat_q5_1 tool=glslang -DQ5_1
//build: coop_mat_q4_k tool=glslang -DQ4_K
//build: coop_mat_q5_k tool=glslang -DQ5_K
//build: coop_mat_q6_k tool=glslang -DQ6_K
//build: coop_mat_q2_k tool=glslang -DQ2_K
//build: coop_mat_q3_k tool=glslang -DQ3_K
//build: coop_mat_iq4_nl tool=glslang -DIQ4_NL
//build: coop_mat_iq4_xs tool=glslang -DIQ4_XS
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
// MatMul with I0 = 1 by a frozen weight: T0 [m, n] = scale * T1 [m, k] · T2ᵀ, T2 [n, k], in f16
// with sums in f32. T1 is what coop_round made of it. A workgroup computes a tile of
// BM x BN results, 32 terms at a time, from tiles of both in shared memory; each of its
// subgroups computes WM x WN of them, in matrices of CM x CN results and CK terms.
// The next tiles are loaded to registers while the present ones are multiplied.
layout(local_size_x_id = 0) in; // (BM/WM) * (BN/WN) subgroups
layout(constant_id = 1) const uint CM = 16;
layout(constant_id = 2) const uint CN = 16;
layout(constant_id = 3) const uint CK = 16;
layout(constant_id = 4) const uint BM = 128;
layout(constant_id = 5) const uint BN = 128;
layout(constant_id = 6) const uint WM = 64;
layout(constant_id = 7) const uint WN = 64;
layout(constant_id = 8) const uint LANES = 128; // constant 0 again, to count with

#include "weight.glsl"

// T1's rows as words of two halves, from p.xo on, and p.depth words later a factor for
// each row.
layout(set = 0, binding = 1, std430) readonly buffer A4 { uvec4 a4[]; };

// Rows of a tile are 32 halves and 16 bytes more, so that eight rows which are
// read together lie in different banks.
const uint PITCH = 5; // vectors of eight halves
const uint FM = WM / CM, FN = WN / CN;
const uint ALOADS = (BM * 4 + LANES - 1) / LANES;
const uint BLOADS = (BN * 4 + LANES - 1) / LANES;
const uint SUBGROUPS = (BM / WM) * (BN / WN);

shared uvec4 atile[BM * PITCH];
shared uvec4 btile[BN * PITCH];
shared float stage[SUBGROUPS * CM * CN]; // results on their way out

uvec4 activations(uint row, uint e) {
	return row < p.m ? a4[(p.xo + row * (p.k / 2) + e / 2) / 4] : uvec4(0);
}

#ifndef F16
uvec2 fourWeights(uint row, uint e) {
	Chunk q = chunk(row, chunkOf(e));
	uint i = quadOf(e);
	vec4 v = quad(q, i);
#ifdef SCALED
	v *= factor(q, i);
#endif
	return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}
#endif

// weights returns T2[row, e .. e+7] in halves.
uvec4 weights(uint row, uint e) {
	if (row >= p.n)
		return uvec4(0);
#ifdef F16
	return w4[(p.wo + row * p.pitch + e) / 8];
#else
	return uvec4(fourWeights(row, e), fourWeights(row, e + 4));
#endif
}

void main() {
	const uint lane = gl_LocalInvocationID.x;
	const uint col0 = gl_WorkGroupID.x * BN, row0 = gl_WorkGroupID.y * BM;
	const uint wrow = gl_SubgroupID / (BN / WN) * WM, wcol = gl_SubgroupID % (BN / WN) * WN;
	coopmat<float, gl_ScopeSubgroup, CM, CN, gl_MatrixUseAccumulator> acc[FM * FN];
	[[unroll]] for (uint i = 0; i < FM * FN; i++)
		acc[i] = coopmat<float, gl_ScopeSubgroup, CM, CN, gl_MatrixUseAccumulator>(0.0);
	uvec4 anext[ALOADS], bnext[BLOADS];
	for (uint at = 0; at < p.k + 32; at += 32) {
		// The tiles of at-32 are multiplied in this turn, those of at loaded.
		if (at > 0) {
			barrier();
			[[unroll]] for (uint l = 0; l < ALOADS; l++) {
				uint i = lane + LANES * l;
				if (i < BM * 4)
					atile[i / 4 * PITCH + i % 4] = anext[l];
			}
			[[unroll]] for (uint l = 0; l < BLOADS; l++) {
				uint i = lane + LANES * l;
				if (i < BN * 4)
					btile[i / 4 * PITCH + i % 4] = bnext[l];
			}
			barrier();
		}
		if (at < p.k) {
			[[unroll]] for (uint l = 0; l < ALOADS; l++) {
				uint i = lane + LANES * l;
				if (i < BM * 4)
					anext[l] = activations(row0 + i / 4, at + i % 4 * 8);
			}
			[[unroll]] for (uint l = 0; l < BLOADS; l++) {
				uint i = lane + LANES * l;
				if (i < BN * 4)
					bnext[l] = weights(col0 + i / 4, at + i % 4 * 8);
			}
		}
		if (at > 0) {
			[[unroll]] for (uint t = 0; t < 32; t += CK) {
				coopmat<float16_t, gl_ScopeSubgroup, CM, CK, gl_MatrixUseA> a[FM];
				[[unroll]] for (uint i = 0; i < FM; i++)
					coopMatLoad(a[i], atile, (wrow + i * CM) * PITCH + t / 8, PITCH, gl_CooperativeMatrixLayoutRowMajor);
				[[unroll]] for (uint j = 0; j < FN; j++) {
					coopmat<float16_t, gl_ScopeSubgroup, CK, CN, gl_MatrixUseB> b;
					coopMatLoad(b, btile, (wcol + j * CN) * PITCH + t / 8, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
					[[unroll]] for (uint i = 0; i < FM; i++)
						acc[i * FN + j] = coopMatMulAdd(a[i], b, acc[i * FN + j]);
				}
			}
		}
	}
	// Results go through shared memory, since only there it is known which is where.
	const uint mine = gl_SubgroupID * CM * CN;
	[[unroll]] for (uint i = 0; i < FM; i++) {
		[[unroll]] for (uint j = 0; j < FN; j++) {
			coopMatStore(acc[i * FN + j], stage, mine, CN, gl_CooperativeMatrixLayoutRowMajor);
			subgroupBarrier();
			for (uint e = gl_SubgroupInvocationID; e < CM * CN; e += gl_SubgroupSize) {
				uint row = row0 + wrow + i * CM + e / CN, col = col0 + wcol + j * CN + e % CN;
				if (row < p.m && col < p.n) {
					uint o = p.yo + row * p.ys + col;
					float sum = stage[mine + e] * x[p.xo + p.depth + row] * p.scale;
					if (p.accumulate != 0)
						sum += y[o];
					y[o] = sum;
				}
			}
			subgroupBarrier();
		}
	}
}
