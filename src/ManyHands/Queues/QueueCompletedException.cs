namespace ManyHands;

/// <summary>The queue was completed by whoever fills it: it takes no more items, or it is empty and no more will come.</summary>
public sealed class QueueCompletedException : InvalidOperationException
{
    internal QueueCompletedException(string message)
        : base(message)
    {
    }
}
