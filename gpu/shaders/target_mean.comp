#version 450
#extension GL_GOOGLE_include_directive : require
//build: target_mean
//build: target_mean_subgroup -DSUBGROUP
//build: target_scale -DSCALE
//build: target_scale_subgroup -DSCALE -DSUBGROUP
// One workgroup: y [1] = the mean of the losses [rows] whose target is not negative,
// or with SCALE the gradient [1] of that mean over the number of such targets. Without
// any, both are NaN.
#include "reduce.glsl"
layout(set = 0, binding = 0, std430) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 2, std430) readonly buffer T { int targets[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo, to;
	uint rows;
} p;

// The sum of losses and the number of targets.
REDUCTION(sums, vec2, PLUS, subgroupAdd)

void main() {
	vec2 part = vec2(0);
	for (uint i = gl_LocalInvocationID.x; i < p.rows; i += gl_WorkGroupSize.x)
		if (targets[p.to + i] >= 0) {
#ifndef SCALE
			part.x += x[p.xo + i];
#endif
			part.y++;
		}
	part = sums(part);
	if (gl_LocalInvocationID.x > 0)
		return;
#ifdef SCALE
	part.x = x[p.xo];
#endif
	y[p.yo] = part.y == 0 ? uintBitsToFloat(0x7fc00000) : part.x / part.y;
}
