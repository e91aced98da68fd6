#version 450
#extension GL_GOOGLE_include_directive : require
// The largest, column by column, of the rows i of x [n, d] whose ids[i] is first + gl_WorkGroupID.x,
// and from + i for the first such row that has it; 0 and -1 where there is none. With more, both
// go on from what was found in earlier rows. A workgroup for each segment looks through all
// ids; those along y share the columns.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) buffer R { int rows[]; };
layout(set = 0, binding = 2, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 3, std430) readonly buffer I { uint ids[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, ro, xo, io;
	uint n, d, first, from, more;
} p;

// Which of 2048 ids are those of this segment, a bit each.
const uint words = 64;
shared uint found[words];

void main() {
	const uint id = p.first + gl_WorkGroupID.x;
	const uint column = gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
	const uint place = gl_WorkGroupID.x * p.d + column;
	float most = 0;
	int at = -1;
	if (column < p.d && p.more != 0) {
		most = y[p.yo + place];
		at = rows[p.ro + place];
	}
	for (uint start = 0; start < p.n; start += 32 * words) {
		const uint some = min(32 * words, p.n - start);
		barrier();
		for (uint word = gl_LocalInvocationID.x; 32 * word < some; word += gl_WorkGroupSize.x) {
			uint bits = 0;
			for (uint i = 32 * word; i < min(32 * word + 32, some); i++)
				bits |= uint(ids[p.io + start + i] == id) << i % 32;
			found[word] = bits;
		}
		barrier();
		if (column < p.d)
			for (uint word = 0; 32 * word < some; word++)
				for (uint bits = found[word]; bits != 0; bits &= bits - 1) {
					const uint i = start + 32 * word + findLSB(bits);
					const float v = x[p.xo + i * p.d + column];
					if (at < 0 || v > most || isnan(v) && !isnan(most)) {
						most = v;
						at = int(p.from + i);
					}
				}
	}
	if (column < p.d) {
		y[p.yo + place] = most;
		rows[p.ro + place] = at;
	}
}
