// The rules that single options of a run obey, each with the one line that says how it was broken.

using System.Globalization;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Methods;

internal static class OptionRules
{
    public static void Together(bool one, string oneName, bool other, string otherName)
    {
        if (one != other)
        {
            throw new ArgumentException(one ? $"{oneName} needs {otherName}" : $"{otherName} has no part here without {oneName}; leave it out");
        }
    }

    public static void AtLeast(int least, int value, string name)
    {
        if (value < least)
        {
            throw new DataException($"{name} must be at least {least}, not {value}");
        }
    }

    public static void AtMost(long most, long count, string name, int value, string what)
    {
        if (count > most)
        {
            throw new DataException($"{name} {value} makes {count:N0} {what}; the most is {most:N0}");
        }
    }

    public static void Positive(double value, string name)
    {
        if (!(value > 0 && double.IsFinite(value)))
        {
            throw new DataException($"{name} must be positive and finite, not {value.ToString(CultureInfo.InvariantCulture)}");
        }
    }
}
