#version 450
#extension GL_GOOGLE_include_directive : require
//build: rms_norm_backward
//build: rms_norm_backward_4 -DFOUR
//build: rms_norm_backward_subgroup -DSUBGROUP
//build: rms_norm_backward_4_subgroup -DFOUR -DSUBGROUP
//build: layer_norm_backward -DLAYER
//build: layer_norm_backward_4 -DLAYER -DFOUR
//build: layer_norm_backward_subgroup -DLAYER -DSUBGROUP
//build: layer_norm_backward_4_subgroup -DLAYER -DFOUR -DSUBGROUP
// The gradient dx (added or set) of what a normalisation took, from that of its
// result, dy, from x [rows, n] and the weight g [n]; a workgroup does a row. With
// h = g*dy, u the normalised row and s the inverse of the root or deviation,
// dx = s * (h - mean(h) - u * mean(h*u)), without the second term if not LAYER.
// Three numbers of each row are left for the gradient of the weight, which say
// what u is: (x - the first) * the second + the third.
#include "reduce.glsl"
#include "vector.glsl"
layout(set = 0, binding = 0, std430) buffer DX { VECTOR dx[]; };
layout(set = 0, binding = 1, std430) readonly buffer DY { VECTOR dy[]; };
layout(set = 0, binding = 2, std430) readonly buffer X { VECTOR x[]; };
layout(set = 0, binding = 3, std430) readonly buffer G { VECTOR g[]; };
layout(set = 0, binding = 4, std430) writeonly buffer M { float moments[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint dxo, dyo, xo, go, mo;
	uint n, wanted, add;
	float eps;
} p;

// Sums of squares and of h*x; and of h and of what the mean, as rounded, is short of.
#ifdef LAYER
#define SUMS vec4
REDUCTION(sum, float, PLUS, subgroupAdd)
#else
#define SUMS vec2
#endif
REDUCTION(sums, SUMS, PLUS, subgroupAdd)

void main() {
	const uint n = p.n / WIDTH, first = gl_LocalInvocationID.x, step = gl_WorkGroupSize.x;
	const uint row = gl_WorkGroupID.x * n, go = p.go / WIDTH;
	const uint xo = p.xo / WIDTH + row, dyo = p.dyo / WIDTH + row, dxo = p.dxo / WIDTH + row;
	SUMS part = SUMS(0);
#ifdef LAYER
	float total = 0;
	for (uint i = first; i < n; i += step)
		total += across(x[xo + i]);
	const float mean = sum(total) / p.n;
	for (uint i = first; i < n; i += step) {
		VECTOR v = x[xo + i] - mean, h = g[go + i] * dy[dyo + i];
		part += vec4(across(v * v), across(h * v), across(h), across(v));
	}
	part = sums(part) / p.n;
	const float inverse = inversesqrt(part.x - part.w * part.w + p.eps);
	const float shift = -part.w * inverse, level = part.z;
	const float along = part.y * inverse + level * shift;
#else
	for (uint i = first; i < n; i += step) {
		VECTOR v = x[xo + i], h = g[go + i] * dy[dyo + i];
		part += vec2(across(v * v), across(h * v));
	}
	part = sums(part) / p.n;
	const float inverse = inversesqrt(part.x + p.eps);
	const float mean = 0, shift = 0, level = 0, along = part.y * inverse;
#endif
	if (first < 3)
		moments[p.mo + 3 * gl_WorkGroupID.x + first] = first == 0 ? mean : first == 1 ? inverse : shift;
	if (p.wanted == 0)
		return;
	for (uint i = first; i < n; i += step) {
		VECTOR u = (x[xo + i] - mean) * inverse + shift;
		VECTOR d = inverse * (g[go + i] * dy[dyo + i] - level - u * along);
		if (p.add != 0)
			d += dx[dxo + i];
		dx[dxo + i] = d;
	}
}
