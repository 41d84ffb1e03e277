namespace ManyHands.Serialization;

/// <summary>
/// What a call carries besides values: things that stay where they are and are reached through the call, such as an
/// <see cref="IProgress{T}"/> in the caller or the call's <see cref="CancellationToken"/>. The sending and the receiving side each
/// derive from it; results have none.
/// </summary>
internal abstract class TransferContext
{
    private List<object>? kept;

    /// <summary>Sending side: the receiver stays here; its number travels.</summary>
    public virtual int AddProgress<T>(IProgress<T> progress) => throw new NotSupportedException();

    /// <summary>Receiving side: something to report to that sends values back under that number.</summary>
    public virtual IProgress<T> OpenProgress<T>(int number) => throw new NotSupportedException();

    /// <summary>Sending side: this token is to cancel the call.</summary>
    public virtual void AddToken(CancellationToken token) => throw new NotSupportedException();

    /// <summary>Receiving side: cancelled when the caller cancels, or when the call's time is up.</summary>
    public virtual CancellationToken Token => throw new NotSupportedException();

    /// <summary>Receiving side: the same, without making the token if nobody asked for it.</summary>
    public virtual bool IsCancellationRequested => Token.IsCancellationRequested;

    /// <summary>
    /// Receiving side: nothing of it may be reclaimed while the call runs, though the function may have taken no more of it than a pointer.
    /// </summary>
    public void Keep(object shared) => (kept ??= []).Add(shared);

    /// <summary>Receiving side: the call has ended.</summary>
    public void EndKeeping() => kept = null;

    /// <summary>Receiving side: the call ended with <see cref="OutOfMemoryException"/>, so the state of the process is in doubt.</summary>
    public bool RanOutOfMemory { get; set; }
}
