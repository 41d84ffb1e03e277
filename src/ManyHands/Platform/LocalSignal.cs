using System.Runtime.InteropServices;

namespace ManyHands.Platform;

/// <summary>Something that happens in this process, for those that sleep on words. It counts, and is never freed: one is for all events of a kind.</summary>
internal sealed unsafe class LocalSignal
{
    private readonly uint* word = (uint*)NativeMemory.AllocZeroed(sizeof(uint));

    /// <summary>What to sleep on until it happens again. Look once more after the call.</summary>
    public WaitWord WaitWord => new((nint)word, Volatile.Read(ref *word));

    public void Raise()
    {
        Interlocked.Increment(ref *word);
        Linux.FutexWake(word, int.MaxValue);
    }
}
