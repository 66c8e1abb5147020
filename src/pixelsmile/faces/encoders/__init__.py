"""Identity encoders: who a face is, as a unit-length vector; ArcFace, AdaFace, FaceNet and AuraFace."""
