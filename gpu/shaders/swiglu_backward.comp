#version 450
#extension GL_GOOGLE_include_directive : require
// The gradients T0+ and T1+ of gate T3 and up T4 from the gradient T2 of silu(gate)*up.
#include "tensor.glsl"
#include "sigmoid.glsl"
TENSOR(0, , dgate)
TENSOR(1, , dup)
TENSOR(2, readonly, dout)
TENSOR(3, readonly, gate)
TENSOR(4, readonly, up)
layout(set = 1, binding = 0, std140) uniform P {
	uint dgateo, dupo, douto, gateo, upo;
	uint len, first, accumulate;
	uint wanted; // bit i: output i
} p;
#define ALIGNED (((p.dgateo | p.dupo | p.douto | p.gateo | p.upo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 d = LOAD(dout, i), x = LOAD(gate, i), rest;
	vec4 s = sigmoid(x, rest);
	if ((p.wanted & 1) != 0) {
		vec4 v = d * LOAD(up, i) * (s + x * s * rest);
		if ((p.accumulate & 1) != 0)
			v += LOAD(dgate, i);
		STORE(dgate, i, v);
	}
	if ((p.wanted & 2) != 0) {
		vec4 v = d * x * s;
		if ((p.accumulate & 2) != 0)
			v += LOAD(dup, i);
		STORE(dup, i, v);
	}
}

#include "each.glsl"
