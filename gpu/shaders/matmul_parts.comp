#version 450
// T0 [batch, m, n] (+)= factor * the sum of parts [parts, batch, m, n], in their order:
// what is left of a product whose k was cut.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	uint len, parts; // len = batch * m * n
	uint m, n;
	uint yRow, yColumn, yBatch;
	float factor;
	uint add;
} p;

void main() {
	for (uint i = gl_GlobalInvocationID.x; i < p.len; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		float sum = 0;
		for (uint part = 0; part < p.parts; part++)
			sum += x[p.xo + part * p.len + i];
		const uint row = i / p.n;
		const uint at = p.yo + row / p.m * p.yBatch + row % p.m * p.yRow + i % p.n * p.yColumn;
		const float value = p.factor * sum;
		y[at] = p.add != 0 ? y[at] + value : value;
	}
}
