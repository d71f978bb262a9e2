namespace Imaml.Cli;

/// <summary>The nearest existing name of a misspelt one.</summary>
internal static class NearestName
{
    private const int Longest = 64;

    /// <summary><c> (did you mean NAME?)</c>, or nothing where no name is near.</summary>
    public static string Hint(string token, IEnumerable<string> names) =>
        token.Length > Longest
            ? ""
            : names
                .Select(name => (Name: name, Distance: Distance(token.ToLowerInvariant(), name.ToLowerInvariant())))
                .Where(candidate => candidate.Distance <= System.Math.Max(2, token.Length / 3) && candidate.Distance < System.Math.Max(token.Length, candidate.Name.Length))
                .OrderBy(candidate => candidate.Distance)
                .Select(candidate => $" (did you mean {candidate.Name}?)")
                .FirstOrDefault("");

    // Levenshtein's distance, row by row.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                (diagonal, row[j]) = (row[j], System.Math.Min(diagonal + (a[i - 1] == b[j - 1] ? 0 : 1), 1 + System.Math.Min(row[j - 1], row[j])));
            }
        }

        return row[b.Length];
    }
}
