// A resource that many threads use and one of them may dispose: it is freed when the last use that has begun ends, so that no native code runs on freed memory.

namespace Imaml.Nets.Prediction;

/// <summary>Counts the uses of a resource.</summary>
/// <param name="held">The resource.</param>
/// <param name="owner">Named by the exception of a use after the end.</param>
internal sealed class Shared(IDisposable held, string owner) : IDisposable
{
    private readonly Lock _gate = new();
    private int _uses;
    private bool _ended;

    /// <summary>Begins a use, which ends when the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The owner has been disposed.</exception>
    public Use Begin()
    {
        lock (_gate)
        {
            if (_ended)
            {
                throw new ObjectDisposedException(owner);
            }

            _uses++;
            return new Use(this);
        }
    }

    /// <summary>Refuses further uses, and frees the resource now or with the last use.</summary>
    public void Dispose() => Change(() => _ended = true);

    private void Change(Action change)
    {
        bool free;
        lock (_gate)
        {
            var already = _ended && _uses == 0;
            change();
            free = !already && _ended && _uses == 0;
        }

        if (free)
        {
            held.Dispose();
        }
    }

    /// <summary>One use.</summary>
    internal readonly struct Use(Shared shared) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose()
        {
            var of = shared;
            of.Change(() => of._uses--);
        }
    }
}
