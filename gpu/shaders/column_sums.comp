#version 450
#extension GL_GOOGLE_include_directive : require
//build: column_sums
//build: column_sums_4 -DFOUR
//build: norm_weight_backward -DNORM
//build: norm_weight_backward_4 -DNORM -DFOUR
// The sum of the rows of x [rows, n], or with NORM of
// dy * ((x - m0) * m1 + m2), where the moments m [rows, 3] are those of norm_backward.comp.
// A workgroup does 32 columns, or four times as many, of some rows: one after
// the other from gl_WorkGroupID.y * chunk on. Its sums are row gl_WorkGroupID.y
// of y [chunks, n], added or set.
#include "vector.glsl"
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { VECTOR y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { VECTOR x[]; };
#ifdef NORM
layout(set = 0, binding = 2, std430) readonly buffer DY { VECTOR dy[]; };
layout(set = 0, binding = 3, std430) readonly buffer M { float moments[]; };
#endif
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
#ifdef NORM
	uint dyo, mo;
#endif
	uint rows, n, chunk, add;
} p;

const uint columns = 32;
shared VECTOR part[256];

VECTOR term(uint row, uint i) {
#ifdef NORM
	const uint m = p.mo + 3 * row;
	return dy[p.dyo / WIDTH + i] * ((x[p.xo / WIDTH + i] - moments[m]) * moments[m + 1] + moments[m + 2]);
#else
	return x[p.xo / WIDTH + i];
#endif
}

void main() {
	const uint n = p.n / WIDTH;
	const uint column = gl_WorkGroupID.x * columns + gl_LocalInvocationID.x % columns;
	const uint line = gl_LocalInvocationID.x / columns, lines = gl_WorkGroupSize.x / columns;
	const uint from = gl_WorkGroupID.y * p.chunk, to = min(from + p.chunk, p.rows);
	VECTOR sum = VECTOR(0);
	if (column < n)
		for (uint row = from + line; row < to; row += lines)
			sum += term(row, row * n + column);
	part[gl_LocalInvocationID.x] = sum;
	barrier();
	if (line > 0 || column >= n)
		return;
	for (uint i = 1; i < lines; i++)
		sum += part[i * columns + gl_LocalInvocationID.x];
	const uint yo = p.yo / WIDTH + gl_WorkGroupID.y * n + column;
	if (p.add != 0)
		sum += y[yo];
	y[yo] = sum;
}
