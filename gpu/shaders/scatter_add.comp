#version 450
#extension GL_GOOGLE_include_directive : require
//build: scatter_add
//build: scatter_add_4 -DFOUR
// Row i of x [n, d] is added to row ids[i] - first of y [count, d], in the order of i;
// ids of other rows are passed over. gl_WorkGroupID.x is an i: the workgroups of
// the first i of each row do all that come after it too, the others nothing.
// Those along y share the columns.
#include "vector.glsl"
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { VECTOR y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { VECTOR x[]; };
layout(set = 0, binding = 2, std430) readonly buffer I { uint ids[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo, io;
	uint n, d, first, count;
} p;

// Which of 2048 ids are those of this row, a bit each.
const uint words = 64;
shared uint found[words];

void main() {
	const uint d = p.d / WIDTH, id = ids[p.io + gl_WorkGroupID.x];
	if (id - p.first >= p.count)
		return;
	const uint column = gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
	const uint yo = p.yo / WIDTH + (id - p.first) * d + column, xo = p.xo / WIDTH + column;
	VECTOR sum = VECTOR(0);
	if (column < d)
		sum = y[yo];
	bool begun = false;
	for (uint from = 0; from < p.n; from += 32 * words) {
		const uint some = min(32 * words, p.n - from);
		barrier();
		for (uint word = gl_LocalInvocationID.x; 32 * word < some; word += gl_WorkGroupSize.x) {
			uint bits = 0;
			for (uint i = 32 * word; i < min(32 * word + 32, some); i++)
				bits |= uint(ids[p.io + from + i] == id) << i % 32;
			found[word] = bits;
		}
		barrier();
		for (uint word = 0; 32 * word < some; word++)
			for (uint bits = found[word]; bits != 0; bits &= bits - 1) {
				const uint i = from + 32 * word + findLSB(bits);
				if (!begun && i != gl_WorkGroupID.x)
					return;
				begun = true;
				if (column < d)
					sum += x[xo + i * d];
			}
	}
	if (column < d)
		y[yo] = sum;
}
