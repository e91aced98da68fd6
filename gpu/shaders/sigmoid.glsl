// exp(x) of x <= 0 to about one unit in the last place; the exp of GLSL may be
// wrong by 3 + 2|x| of them. Results below the normal numbers are 0.
vec4 expNegative(vec4 x) {
	// x = n*ln 2 + r, |r| <= ln 2 / 2. The first part of ln 2 has 10 bits: n times it is exact.
	vec4 n = roundEven(x * 1.44269504);
	precise vec4 r = (x - n * 0.693359375) + n * 2.12194440e-4;
	// The Taylor series: its rest is below 6e-9.
	vec4 y = r * (1.0 / 5040.0) + 1.0 / 720.0;
	y = y * r + 1.0 / 120.0;
	y = y * r + 1.0 / 24.0;
	y = y * r + 1.0 / 6.0;
	y = y * r + 0.5;
	y = y * r * r + r + 1.0;
	// NaN is not less than anything and stays.
	return mix(y * intBitsToFloat((ivec4(max(n, -126.0)) + 127) << 23), vec4(0), lessThan(x, vec4(-87.3)));
}

// sigmoid returns s = 1/(1+exp(-x)), and rest = 1-s, both to a few units in the last place.
vec4 sigmoid(vec4 x, out vec4 rest) {
	vec4 e = expNegative(-abs(x));
	vec4 larger = 1.0 / (1.0 + e), smaller = e / (1.0 + e);
	bvec4 negative = lessThan(x, vec4(0));
	rest = mix(smaller, larger, negative);
	return mix(larger, smaller, negative);
}
