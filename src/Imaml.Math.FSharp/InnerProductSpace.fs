namespace Imaml.Math
