using ManyHands.Platform;

namespace ManyHands.Sync;

/// <summary>Waits for a word to hold something else.</summary>
internal sealed unsafe class ChangeAttempt(uint* word, uint value, IWaitable waitable) : WaitAttempt(waitable)
{
    private readonly uint* word = word;
    private readonly WaitWord until = new((nint)word, value);

    protected override bool Try(bool thorough, out WaitWord until)
    {
        until = this.until;
        return Volatile.Read(ref *word) != this.until.Value;
    }
}
