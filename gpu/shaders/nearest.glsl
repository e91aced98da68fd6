// nearest returns differences on a circle: d, or period more or less than that where this is
// smaller in magnitude. A period of 0 stands for a line.
vec4 nearest(vec4 d, float period) {
	float half_ = 0.5 * period;
	vec4 turned = d - period * vec4(greaterThan(d, vec4(half_))) + period * vec4(lessThan(d, vec4(-half_)));
	return period > 0 ? turned : d;
}
float nearest(float d, float period) { return nearest(vec4(d), period).x; }
