#version 450
#extension GL_GOOGLE_include_directive : require
// T0 = silu(T1) * T2, silu(x) = x/(1+exp(-x)).
#include "tensor.glsl"
#include "sigmoid.glsl"
TENSOR(0, writeonly, y)
TENSOR(1, readonly, gate)
TENSOR(2, readonly, up)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, gateo, upo;
	uint len, first, accumulate;
} p;
#define ALIGNED (((p.yo | p.gateo | p.upo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 x = LOAD(gate, i), rest;
	STORE(y, i, x * sigmoid(x, rest) * LOAD(up, i));
}

#include "each.glsl"
