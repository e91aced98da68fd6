// The hyperbolic tangent to a few units in the last place.
#include "sigmoid.glsl"

vec4 hyperbolic(vec4 x) {
	vec4 e = expNegative(-2.0 * abs(x)), square = x * x;
	vec4 far = sign(x) * (1.0 - e) / (1.0 + e);
	// Near zero 1-e would lose digits: the Taylor series, whose rest is below 6e-8 of it.
	vec4 series = square * (62.0 / 2835.0) - 17.0 / 315.0;
	series = series * square + 2.0 / 15.0;
	series = series * square - 1.0 / 3.0;
	series = x * (series * square) + x;
	vec4 y = mix(far, series, lessThan(abs(x), vec4(0.3)));
	return mix(y, x, isnan(x)); // sign does not say what it makes of a NaN
}
