#version 450
#extension GL_GOOGLE_include_directive : require
// T0 = T0 * T1 [1].
#include "tensor.glsl"
TENSOR(0, , y)
layout(set = 0, binding = 1, std430) readonly buffer Factor { float factor[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, factoro;
	uint len, first, accumulate;
} p;
#define ALIGNED ((p.yo & 3) == 0)

void element(uint i, bool quad) {
	vec4 v = LOAD(y, i) * factor[p.factoro];
	STORE(y, i, v);
}

#include "each.glsl"
