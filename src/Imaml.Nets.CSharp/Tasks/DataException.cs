
namespace Imaml.Nets.Tasks;

/// <summary>
/// Something is wrong with the data, or with what was asked of it: a missing or damaged archive, an image that does not decode, a split or an
/// episode that the classes do not allow. The message is one line that says what, where, and how to mend it.
/// </summary>
public sealed class DataException(string message, Exception? inner = null) : Exception(message, inner);
