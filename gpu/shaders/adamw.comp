#version 450
#extension GL_GOOGLE_include_directive : require
// One step of decoupled Adam (Loshchilov & Hutter 2019) on the parameter T0 with moments T1, T2
// and gradient T3.
#include "tensor.glsl"
TENSOR(0, , x)
TENSOR(1, , m)
TENSOR(2, , v)
TENSOR(3, readonly, g)
layout(set = 1, binding = 0, std140) uniform P {
	uint xo, mo, vo, go;
	uint len, first, accumulate;
	float beta1, rest1, beta2, rest2; // rest = 1-beta
	float decay, rate;                // 1 - rate*weight decay; rate / (1-beta1^t)
	float unbias, eps;                // 1 / sqrt(1-beta2^t)
} p;
#define ALIGNED (((p.xo | p.mo | p.vo | p.go) & 3) == 0)

void element(uint i, bool quad) {
	vec4 gradient = LOAD(g, i);
	vec4 mean = p.beta1 * LOAD(m, i) + p.rest1 * gradient;
	vec4 square = p.beta2 * LOAD(v, i) + p.rest2 * gradient * gradient;
	STORE(m, i, mean);
	STORE(v, i, square);
	vec4 value = p.decay * LOAD(x, i) - p.rate * mean / (sqrt(square) * p.unbias + p.eps);
	STORE(x, i, value);
}

#include "each.glsl"
