//build: weight_vec_f16 -DF16
//build: weight_vec_subgroup_f16 -DF16 -DSUBGROUP
//build: weight_vec_bf16 -DBF16
//build: weight_vec_subgroup_bf16 -DBF16 -DSUBGROUP
//build: weight_vec_q8_0 -DQ8_0
//build: weight_vec_subgroup_q8_0 -DQ8_0 -DSUBGROUP
//build: weight_vec_q4_0 -DQ4_0
//build: weight_vec_subgroup_q4_0 -DQ4_0 -DSUBGROUP
//build: weight_vec_q4_1 -DQ4_1
//build: weight_vec_subgroup_q4_1 -DQ4_1 -DSUBGROUP
//build: weight_vec_q5_0 -DQ5_0
//build: weight_vec_subgroup_q5_0 -DQ5_0 -DSUBGROUP
//build: weight_vec_q5_1 -DQ5_1
//build: weight_vec_subgroup_q5_1 -DQ5_1 -DSUBGROUP
//build: weight_vec_q4_k -DQ4_K
//build: weight_vec_subgroup_q4_k -DQ4_K -DSUBGROUP
//build: weight_vec_q5_k -DQ5_K
//build: weight_vec_subgroup_q5_k -DQ5_K -DSUBGROUP
//build: weight_vec_q6_k -DQ6_K
//build: weight_vec_subgroup_q6_k -DQ6_K -DSUBGROUP
//build: weight_vec_q2_k -DQ2_K
//build: weight_vec_subgroup_q2_k -DQ2_K -DSUBGROUP
//build: weight_vec_q3_k -DQ3_K
//build: weight_vec_subgroup_q3_k -DQ3_K -DSUBGROUP
//build: weight_vec_iq4_nl -DIQ4_NL
//build: weight_vec_subgroup_iq4_nl -DIQ4_NL -DSUBGROUP
//build: weight_vec_iq4_xs -DIQ4_XS
//build: weight_vec_subgroup_iq4_xs -DIQ4_XS -DSUBGROUP
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
// MatMul for few rows of T1 (at most M) and I0 = 1: T0 [m, n] = scale * T1 [m, k] ·
// T2ᵀ, T2 a frozen weight [n, k], read once. A workgroup computes ROWS rows of T2:
// its invocations take the chunks of these rows in turn, two at a time so that
// enough loads are under way, and add up their sums at the end.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint ROWS = 4;
layout(constant_id = 2) const uint M = 1;
layout(constant_id = 3) const uint ALIGNED = 0; // T1 in vectors of four

#include "weight.glsl"

#ifdef SUBGROUP
shared float sums[gl_WorkGroupSize.x / 8 * ROWS * M]; // subgroups have 8 or more
#else
shared float sums[gl_WorkGroupSize.x * ROWS];
#endif

float acc[ROWS * M];

vec4 activations(uint j, uint e) {
	uint i = p.xo + min(j, p.m - 1) * p.xr;
	if (ALIGNED != 0)
		return x4[(i + e) / 4];
	i += e * p.xc;
	return vec4(x[i], x[i + p.xc], x[i + 2 * p.xc], x[i + 3 * p.xc]);
}

// multiply adds the products with chunk c of all rows.
void multiply(Chunk q[ROWS], uint c) {
	[[unroll]] for (uint i = 0; i < QUADS; i++) {
		vec4 v[ROWS];
		[[unroll]] for (uint r = 0; r < ROWS; r++)
			v[r] = quad(q[r], i);
		[[unroll]] for (uint j = 0; j < M; j++) {
			vec4 a = activations(j, place(c, i));
			[[unroll]] for (uint r = 0; r < ROWS; r++) {
#ifdef SCALED
				float s = v[r].x * a.x;
				s += v[r].y * a.y;
				s += v[r].z * a.z;
				s += v[r].w * a.w;
				acc[r * M + j] += factor(q[r], i) * s;
#else
				acc[r * M + j] += v[r].x * a.x;
				acc[r * M + j] += v[r].y * a.y;
				acc[r * M + j] += v[r].z * a.z;
				acc[r * M + j] += v[r].w * a.w;
#endif
			}
		}
	}
}

void store(uint row, uint j, float sum) {
	if (row >= p.n || j >= p.m)
		return;
	uint i = p.yo + j * p.ys + row;
	sum *= p.scale;
	if (p.accumulate != 0)
		sum += y[i];
	y[i] = sum;
}

void main() {
	uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
	uint chunks = p.pitch * CHUNKS;
	for (uint row = gl_WorkGroupID.x * ROWS; row < p.n; row += gl_NumWorkGroups.x * ROWS) {
		[[unroll]] for (uint i = 0; i < ROWS * M; i++)
			acc[i] = 0;
		uint c = lane;
		for (; c + lanes < chunks; c += 2 * lanes) {
			Chunk q0[ROWS], q1[ROWS];
			[[unroll]] for (uint r = 0; r < ROWS; r++) {
				q0[r] = chunk(min(row + r, p.n - 1), c);
				q1[r] = chunk(min(row + r, p.n - 1), c + lanes);
			}
			multiply(q0, c);
			multiply(q1, c + lanes);
		}
		if (c < chunks) {
			Chunk q[ROWS];
			[[unroll]] for (uint r = 0; r < ROWS; r++)
				q[r] = chunk(min(row + r, p.n - 1), c);
			multiply(q, c);
		}
#ifdef SUBGROUP
		[[unroll]] for (uint i = 0; i < ROWS * M; i++) {
			float sum = subgroupAdd(acc[i]);
			if (gl_SubgroupInvocationID == 0)
				sums[gl_SubgroupID * ROWS * M + i] = sum;
		}
		barrier();
		for (uint i = lane; i < ROWS * M; i += lanes) {
			float sum = sums[i];
			for (uint g = 1; g < gl_NumSubgroups; g++)
				sum += sums[g * ROWS * M + i];
			store(row + i / M, i % M, sum);
		}
		barrier();
#else
		[[unroll]] for (uint j = 0; j < M; j++) {
			[[unroll]] for (uint r = 0; r < ROWS; r++)
				sums[r * lanes + lane] = acc[r * M + j];
			for (uint stride = lanes / 2; stride > 0; stride /= 2) {
				barrier();
				if (lane < stride) {
					[[unroll]] for (uint r = 0; r < ROWS; r++)
						sums[r * lanes + lane] += sums[r * lanes + lane + stride];
				}
			}
			barrier();
			if (lane < ROWS)
				store(row + lane, j, sums[lane * lanes]);
			barrier();
		}
#endif
	}
}
