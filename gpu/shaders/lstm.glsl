// One cell of a recurrent layer: row, column, its gates before and after their activations
// (rest is 1 minus each), the candidate, the cells before and after, and the tangent of that.
#include "tanh.glsl"
#define CELL(i) \
	uint row = (i) / p.width, column = (i) % p.width, at = p.gateso + row * 4 * p.width + column; \
	vec4 gate = vec4(gates[at], gates[at + p.width], gates[at + 2 * p.width], gates[at + 3 * p.width]), rest; \
	vec4 s = sigmoid(gate, rest); \
	float cell = hyperbolic(gate).z, before = state[p.stateo + (2 * row + 1) * p.width + column]; \
	float after = s.y * before + s.x * cell, t = hyperbolic(vec4(after)).x
