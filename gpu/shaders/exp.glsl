// The exponential function, of which GLSL does not say what it makes of a NaN.
float exponential(float v) { return isnan(v) ? v : exp(v); }
vec4 exponential(vec4 v) { return mix(exp(v), v, isnan(v)); }
