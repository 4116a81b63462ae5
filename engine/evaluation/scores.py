"""The scale between centipawns and Q, win minus loss: cp = CP_SCALE tan(ATAN_SCALE Q)."""

ATAN_SCALE = 1.5637541897  # Lc0's: nearly pi / 2, so that a certain win has a score
CP_SCALE = 90.0  # Lc0's: Q is 0.5 at about 90 centipawns
MATERIAL_CP_SCALE = 220.0  # the scale of the evaluator `material`: Q is 0.5 at about 220 centipawns
