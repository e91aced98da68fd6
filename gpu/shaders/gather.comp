#version 450
#extension GL_GOOGLE_include_directive : require
//build: gather_f32 -DTYPE=F32
//build: gather_f16 -DTYPE=F16
//build: gather_bf16 -DTYPE=BF16
//build: gather_q8_0 -DTYPE=Q8_0
//build: gather_q4_0 -DTYPE=Q4_0
//build: gather_q4_1 -DTYPE=Q4_1
//build: gather_q5_0 -DTYPE=Q5_0
//build: gather_q5_1 -DTYPE=Q5_1
//build: gather_q4_k -DTYPE=Q4_K
//build: gather_q5_k -DTYPE=Q5_K
//build: gather_q6_k -DTYPE=Q6_K
//build: gather_q2_k -DTYPE=Q2_K
//build: gather_q3_k -DTYPE=Q3_K
//build: gather_iq4_nl -DTYPE=IQ4_NL
//build: gather_iq4_xs -DTYPE=IQ4_XS
// Row i of y [n, d] = row ids[i] - first of the weight [count, d], for ids of those
// rows; the others are passed over. gl_WorkGroupID.x is i, the workgroups along y
// share the columns.
#define WEIGHT 2
#include "blocks.glsl"
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer I { uint ids[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, io, o0;
#if TWO_PLANES
	uint o1;
#endif
	uint d, first, count;
} p;

void main() {
	const uint row = gl_WorkGroupID.x, id = ids[p.io + row] - p.first;
	if (id >= p.count)
		return;
#if TWO_PLANES
	const uint o1 = p.o1;
#else
	const uint o1 = 0;
#endif
	for (uint i = gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x; i < p.d; i += gl_NumWorkGroups.y * gl_WorkGroupSize.x)
		y[p.yo + row * p.d + i] = weight(id * p.d + i, p.o0, o1);
}
