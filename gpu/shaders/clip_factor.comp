#version 450
#extension GL_GOOGLE_include_directive : require
// T0 [1] = min(1, F0 / (sqrt(T1 [1]) + 1e-6)); NaN stays.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	float norm; // the largest
} p;

void main() {
	precise float factor = p.norm / (sqrt(x[p.xo]) + 1e-6);
	precise float clipped = factor >= 1.0 ? 1.0 : factor;
	if (gl_GlobalInvocationID.x == 0)
		y[p.yo] = clipped;
}
