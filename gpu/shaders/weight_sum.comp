#version 450
// The second half of a MatMul whose sums were computed in parts: T0 [m, n] = scale *
// the sum of the parts [m, n], in order.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer Z { float z[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, zo;
	uint m, n, parts, ys, accumulate;
	float scale;
} p;

void main() {
	uint size = p.m * p.n;
	for (uint i = gl_GlobalInvocationID.x; i < size; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		float sum = 0;
		for (uint part = 0; part < p.parts; part++)
			sum += z[p.zo + part * size + i];
		sum *= p.scale;
		uint o = p.yo + i / p.n * p.ys + i % p.n;
		if (p.accumulate != 0)
			sum += y[o];
		y[o] = sum;
	}
}
