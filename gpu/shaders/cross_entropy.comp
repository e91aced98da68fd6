#version 450
#extension GL_GOOGLE_include_directive : require
//build: cross_entropy
//build: cross_entropy_4 -DFOUR
//build: cross_entropy_subgroup -DSUBGROUP
//build: cross_entropy_4_subgroup -DFOUR -DSUBGROUP
// For every row of the logits x [rows, classes], a workgroup each: the logarithm
// of the sum of exponentials, and it less the logit of the target, or 0 where
// the target is negative. The row is read once: an invocation keeps a maximum
// and a sum of exponentials relative to it.
#include "reduce.glsl"
#include "vector.glsl"
#include "exp.glsl"
layout(set = 0, binding = 0, std430) readonly buffer X { VECTOR x[]; };
layout(set = 0, binding = 1, std430) readonly buffer T { int targets[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Y { float logSums[]; };
layout(set = 0, binding = 3, std430) writeonly buffer L { float losses[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint xo, to, yo, lo;
	uint classes;
} p;

// The larger number; a NaN as b is passed over.
#define LARGER(a, b) ((b) > (a) ? (b) : (a))

REDUCTION(sum, float, PLUS, subgroupAdd)
REDUCTION(largest, float, LARGER, subgroupMax)

void main() {
	const uint n = p.classes / WIDTH, row = gl_WorkGroupID.x, xo = p.xo / WIDTH + row * n;
	// Not minus infinity: a logit may be that, and then counts nothing.
	float top = -3.4028234e38, total = 0;
	for (uint i = gl_LocalInvocationID.x; i < n; i += gl_WorkGroupSize.x) {
		VECTOR v = x[xo + i];
		float before = top;
#ifdef FOUR
		top = LARGER(top, v.x);
		top = LARGER(top, v.y);
		top = LARGER(top, v.z);
		top = LARGER(top, v.w);
#else
		top = LARGER(top, v);
#endif
		total = total * exponential(before - top) + across(exponential(v - top));
	}
	const float all = largest(top);
	total = sum(total * exponential(top - all));
	if (gl_LocalInvocationID.x > 0)
		return;
	// Nothing but minus infinities has no softmax, and a NaN none either.
	const float logSum = total > 0 ? log(total) : uintBitsToFloat(0x7fc00000);
	logSums[p.yo + row] = all + logSum;
	const int target = targets[p.to + row];
	float loss = 0;
	if (target >= 0) {
#ifdef FOUR
		loss = (all - x[xo + uint(target) / 4][uint(target) % 4]) + logSum;
#else
		loss = (all - x[xo + uint(target)]) + logSum;
#endif
	}
	losses[p.lo + row] = loss;
}
