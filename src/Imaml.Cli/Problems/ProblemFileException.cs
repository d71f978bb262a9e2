namespace Imaml.Cli.Problems;

/// <summary>A problem file that cannot be used, in one line: the file, the path inside it, and the rule.</summary>
internal sealed class ProblemFileException(string message) : Exception(message);
