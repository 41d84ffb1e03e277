namespace ManyHands;

/// <summary>
/// What a barrier can do wherever it is: in memory that processes share (<see cref="SharedBarrier"/>), or with a manager. Code that takes this takes both.
/// </summary>
public interface ISharedBarrier : IDisposable
{
    /// <inheritdoc cref="SharedBarrier.Parties"/>
    int Parties { get; }

    /// <inheritdoc cref="SharedBarrier.Waiting"/>
    int Waiting { get; }

    /// <inheritdoc cref="SharedBarrier.IsBroken"/>
    bool IsBroken { get; }

    /// <inheritdoc cref="SharedBarrier.SignalAndWait(Action, CancellationToken)"/>
    BarrierPassage SignalAndWait(Action? action = null, CancellationToken token = default);

    /// <inheritdoc cref="SharedBarrier.TrySignalAndWait(TimeSpan, out BarrierPassage, Action, CancellationToken)"/>
    bool TrySignalAndWait(TimeSpan timeout, out BarrierPassage passage, Action? action = null, CancellationToken token = default);

    /// <inheritdoc cref="SharedBarrier.SignalAndWaitAsync(Action, CancellationToken)"/>
    ValueTask<BarrierPassage> SignalAndWaitAsync(Action? action = null, CancellationToken token = default);

    /// <inheritdoc cref="SharedBarrier.TrySignalAndWaitAsync(TimeSpan, Action, CancellationToken)"/>
    ValueTask<BarrierPassage?> TrySignalAndWaitAsync(TimeSpan timeout, Action? action = null, CancellationToken token = default);

    /// <inheritdoc cref="SharedBarrier.Abort"/>
    void Abort();

    /// <inheritdoc cref="SharedBarrier.Reset"/>
    void Reset();
}
