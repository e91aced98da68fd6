#version 450
#extension GL_GOOGLE_include_directive : require
//build: rms_norm
//build: rms_norm_4 -DFOUR
//build: rms_norm_subgroup -DSUBGROUP
//build: rms_norm_4_subgroup -DFOUR -DSUBGROUP
//build: layer_norm -DLAYER
//build: layer_norm_4 -DLAYER -DFOUR
//build: layer_norm_subgroup -DLAYER -DSUBGROUP
//build: layer_norm_4_subgroup -DLAYER -DFOUR -DSUBGROUP
// Row by row, a workgroup each:
// T0 [rows, n] = T2 [n] * T1 / sqrt(mean(T1²) + eps), and with LAYER
// T0 [rows, n] = T2 [n] * (T1-mean(T1)) / sqrt(variance(T1) + eps) + T3 [n].
#include "reduce.glsl"
#include "vector.glsl"
layout(set = 0, binding = 0, std430) writeonly buffer Y { VECTOR y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { VECTOR x[]; };
layout(set = 0, binding = 2, std430) readonly buffer G { VECTOR g[]; };
#ifdef LAYER
layout(set = 0, binding = 3, std430) readonly buffer B { VECTOR b[]; };
#endif
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo, go;
#ifdef LAYER
	uint bo;
#endif
	uint n;
	float eps;
} p;

#ifdef LAYER
REDUCTION(sum, float, PLUS, subgroupAdd)
#define SUMS vec2 // of squares; of what the mean, as rounded, is short of
#else
#define SUMS float
#endif
REDUCTION(sums, SUMS, PLUS, subgroupAdd)

void main() {
	const uint n = p.n / WIDTH, first = gl_LocalInvocationID.x, step = gl_WorkGroupSize.x;
	const uint xo = p.xo / WIDTH + gl_WorkGroupID.x * n;
	const uint yo = p.yo / WIDTH + gl_WorkGroupID.x * n, go = p.go / WIDTH;
	SUMS part = SUMS(0);
#ifdef LAYER
	float total = 0;
	for (uint i = first; i < n; i += step)
		total += across(x[xo + i]);
	const float mean = sum(total) / p.n;
	for (uint i = first; i < n; i += step) {
		VECTOR u = x[xo + i] - mean;
		part += vec2(across(u * u), across(u));
	}
	part = sums(part) / p.n;
	const float inverse = inversesqrt(part.x - part.y * part.y + p.eps), shift = -part.y * inverse;
	for (uint i = first; i < n; i += step)
		y[yo + i] = ((x[xo + i] - mean) * inverse + shift) * g[go + i] + b[p.bo / WIDTH + i];
#else
	for (uint i = first; i < n; i += step) {
		VECTOR u = x[xo + i];
		part += across(u * u);
	}
	const float inverse = inversesqrt(sums(part) / p.n + p.eps);
	for (uint i = first; i < n; i += step)
		y[yo + i] = x[xo + i] * inverse * g[go + i];
#endif
}
