// Division of numbers below 2^31 by a number known to the host, as a multiplication by
// its reciprocal (Granlund & Montgomery 1994). The host computes both words.
uint quotient(uint n, uint multiplier, uint shift) {
	uint high, low;
	umulExtended(n, multiplier, high, low);
	return (high + n) >> shift;
}
