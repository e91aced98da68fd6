// Both forms of GELU (Hendrycks & Gimpel 2016) are x times a curve from 0 to 1: the normal
// distribution's, or sigmoid(2u) = (1 + tanh u)/2 with u = sqrt(2/pi) (x + 0.044715 x^3).
#include "sigmoid.glsl"

// bounded returns x, or 14 with its sign where it is further from zero: there both curves have
// ended, and no square or cube is infinite. NaN stays.
vec4 bounded(vec4 x) { return mix(x, 14 * sign(x), greaterThan(abs(x), vec4(14))); }

// normal returns the normal distribution's share below x and its density, for x that is
// bounded. GLSL has no erf: the share below -a is exp(-a*a/2) times a polynomial in
// 1/(1 + 0.3 a), the form of Abramowitz & Stegun 7.1.26. Its coefficients are our own, of
// least largest relative error, 5.9e-8, for a from 0 to 14.5; in float32 the share below -a is
// right to 6e-7 of itself while it is a normal number.
vec4 normal(vec4 x, out vec4 density) {
	vec4 a = abs(x);
	// The square in two parts, of which the first is exact: exp makes its rounding 100 times as large.
	vec4 h = uintBitsToFloat(floatBitsToUint(a) & 0xfffff000u);
	vec4 e = expNegative(-0.5 * h * h) * expNegative(-0.5 * (a - h) * (a + h));
	vec4 t = 1.0 / (1.0 + 0.3 * a);
	vec4 y = t * 0.0384073948 - 0.169307471;
	y = y * t + 0.228951796;
	y = y * t - 0.0768396775;
	y = y * t + 0.142765283;
	y = y * t + 0.0945858609;
	y = y * t + 0.121945264;
	y = y * t + 0.119484207;
	y = (y * t + 7.37239067e-6) * e;
	density = 0.398942280 * e;
	return mix(y, 1.0 - y, greaterThan(x, vec4(0)));
}

// curve returns the curve at x, with its slope; erf picks the normal distribution's.
vec4 curve(vec4 x, bool erf, out vec4 slope) {
	x = bounded(x);
	if (erf)
		return normal(x, slope);
	vec4 square = x * x, rest;
	vec4 s = sigmoid(1.59576912 * x * (1.0 + 0.044715 * square), rest);
	slope = s * rest * (1.59576912 * (1.0 + 0.134145 * square));
	return s;
}
