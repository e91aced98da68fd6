#version 450
#extension GL_GOOGLE_include_directive : require
// T0+ = T1 * scale for elements that stay and 0 for others: word i%4 of Philox4x32-10 (Salmon
// et al. 2011) with counter (i/4, call, step) and the seed as key is at least threshold.
#include "tensor.glsl"
TENSOR(0, , y)
TENSOR(1, readonly, x)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	uint len, first, accumulate; // first is a multiple of 4
	uint threshold;
	float scale;
	uint call, step0, step1, seed0, seed1;
} p;
#define ALIGNED (((p.yo | p.xo) & 3) == 0)

uvec4 philox(uvec4 c, uvec2 key) {
	for (int round = 0; round < 10; round++) {
		uint high0, low0, high1, low1;
		umulExtended(c.x, 0xD2511F53u, high0, low0);
		umulExtended(c.z, 0xCD9E8D57u, high1, low1);
		c = uvec4(high1 ^ c.y ^ key.x, low1, high0 ^ c.w ^ key.y, low0);
		key += uvec2(0x9E3779B9u, 0xBB67AE85u);
	}
	return c;
}

void element(uint i, bool quad) {
	uvec4 words = philox(uvec4(p.first / 4 + i / 4, p.call, p.step0, p.step1), uvec2(p.seed0, p.seed1));
	if (!quad) {
		uvec2 pair = (i & 2) != 0 ? words.zw : words.xy;
		words = uvec4((i & 1) != 0 ? pair.y : pair.x);
	}
	vec4 v = mix(vec4(0), LOAD(x, i) * p.scale, greaterThanEqual(words, uvec4(p.threshold)));
	if (p.accumulate != 0)
		v += LOAD(y, i);
	STORE(y, i, v);
}

#include "each.glsl"
