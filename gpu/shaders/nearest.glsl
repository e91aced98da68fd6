// nearest returns differences on a circle: d, or period more or less than that where this is
// smaller in magnitude. A period of 0 stands for a line.
vec4 nearest(vec4 d, float period) {
	if (!(period > 0))
		return d;
	vec4 most = vec4(0.5 * period);
	return d - period * (vec4(greaterThan(d, most)) - vec4(lessThan(d, -most)));
}

float nearest(float d, float period) { return nearest(vec4(d), period).x; }
