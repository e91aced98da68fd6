#version 450
#extension GL_GOOGLE_include_directive : require
//build: total
//build: total_subgroup -DSUBGROUP
//build: total_squares -DSQUARES
//build: total_squares_4 -DSQUARES -DFOUR
//build: total_squares_subgroup -DSQUARES -DSUBGROUP
//build: total_squares_4_subgroup -DSQUARES -DFOUR -DSUBGROUP
//build: total_distance -DDISTANCE
//build: total_distance_4 -DDISTANCE -DFOUR
//build: total_distance_subgroup -DDISTANCE -DSUBGROUP
//build: total_distance_4_subgroup -DDISTANCE -DFOUR -DSUBGROUP
//build: total_absolute -DDISTANCE -DABSOLUTE
//build: total_absolute_4 -DDISTANCE -DABSOLUTE -DFOUR
//build: total_absolute_subgroup -DDISTANCE -DABSOLUTE -DSUBGROUP
//build: total_absolute_4_subgroup -DDISTANCE -DABSOLUTE -DFOUR -DSUBGROUP
// The sum of the elements of x [len], of their squares (SQUARES), of those of
// x - t (DISTANCE), or of the magnitudes of x - t on a circle (ABSOLUTE), times a
// scale. Every workgroup adds up a share; its sum is element gl_WorkGroupID.x of y,
// added or set.
#include "reduce.glsl"
#include "vector.glsl"
#ifdef ABSOLUTE
#include "nearest.glsl"
#endif
layout(set = 0, binding = 0, std430) readonly buffer X { VECTOR x[]; };
#ifdef DISTANCE
layout(set = 0, binding = 1, std430) readonly buffer T { VECTOR t[]; };
layout(set = 0, binding = 2, std430) buffer Y { float y[]; };
#else
layout(set = 0, binding = 1, std430) buffer Y { float y[]; };
#endif
layout(set = 1, binding = 0, std140) uniform P {
	uint xo;
#ifdef DISTANCE
	uint to;
#endif
	uint yo;
	uint len, add;
	float scale;
#ifdef ABSOLUTE
	float period;
#endif
} p;

REDUCTION(sum, float, PLUS, subgroupAdd)

void main() {
	float total = 0;
	for (uint i = gl_GlobalInvocationID.x; i < p.len / WIDTH; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		VECTOR v = x[p.xo / WIDTH + i];
#ifdef DISTANCE
		v -= t[p.to / WIDTH + i];
#endif
#ifdef ABSOLUTE
		v = abs(nearest(v, p.period));
#elif defined(SQUARES) || defined(DISTANCE)
		v *= v;
#endif
		total += across(v);
	}
	total = sum(total) * p.scale;
	if (gl_LocalInvocationID.x > 0)
		return;
	if (p.add != 0)
		total += y[p.yo + gl_WorkGroupID.x];
	y[p.yo + gl_WorkGroupID.x] = total;
}
