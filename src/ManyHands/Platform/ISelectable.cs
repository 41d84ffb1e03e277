using ManyHands.Platform;

namespace ManyHands;

/// <summary>
/// What <see cref="SharedWait"/> waits for: an end of a <see cref="SharedPipe"/> (a message, or the end of the stream), a <see cref="SharedQueue{T}"/> (an item, or its completion), a <see cref="WorkerProcess"/> (its end).
/// </summary>
public interface ISelectable
{
    /// <summary>Whether there is something to say at once.</summary>
    /// <param name="thorough">Time has passed, so see whether those are alive who are waited for.</param>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="InvalidOperationException">It never will.</exception>
    internal bool IsReady(bool thorough);

    /// <summary>What to sleep on until it may be. Look once more after the call.</summary>
    internal WaitWord WaitWord { get; }

    /// <summary>The waiting is over, and nothing was taken: passes on the wake-up that the waiter may have had.</summary>
    internal void PassOn();
}
