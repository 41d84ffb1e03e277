namespace ManyHands;

/// <summary>A lease was to be completed or renewed when its time was over and the item had gone to somebody else, who has it now or has done it.</summary>
public sealed class QueueLeaseLostException : InvalidOperationException
{
    internal QueueLeaseLostException(string message)
        : base(message)
    {
    }
}
