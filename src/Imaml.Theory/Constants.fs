namespace Imaml.Theory
