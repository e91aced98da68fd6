#version 450
#extension GL_GOOGLE_include_directive : require
//build: cross_entropy_backward
//build: cross_entropy_backward_4 -DFOUR
// dx [rows, classes] (added or set) = scale [1] * (exp(x - logSums) - [target]), and 0 in
// rows whose target is negative. gl_WorkGroupID.x is the row, the workgroups
// along y share its columns.
#include "vector.glsl"
#include "exp.glsl"
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer DX { VECTOR dx[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { VECTOR x[]; };
layout(set = 0, binding = 2, std430) readonly buffer S { float scale[]; };
layout(set = 0, binding = 3, std430) readonly buffer T { int targets[]; };
layout(set = 0, binding = 4, std430) readonly buffer L { float logSums[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint dxo, xo, so, to, lo;
	uint classes, add;
} p;

void main() {
	const uint n = p.classes / WIDTH, row = gl_WorkGroupID.x;
	const uint xo = p.xo / WIDTH + row * n, dxo = p.dxo / WIDTH + row * n;
	const int target = targets[p.to + row];
	const float scale = scale[p.so], logSum = logSums[p.lo + row];
	for (uint i = gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x; i < n; i += gl_NumWorkGroups.y * gl_WorkGroupSize.x) {
		VECTOR d = VECTOR(0);
		if (target >= 0) {
			d = exponential(x[xo + i] - logSum);
			const uint hot = uint(target) - WIDTH * i; // wraps where the target comes before
#ifdef FOUR
			d -= vec4(equal(uvec4(0, 1, 2, 3), uvec4(hot)));
#else
			d -= float(hot == 0);
#endif
			d *= scale;
		}
		if (p.add != 0)
			d += dx[dxo + i];
		dx[dxo + i] = d;
	}
}
