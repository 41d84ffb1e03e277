namespace ManyHands.Serialization;

/// <summary>The references to shared objects in a call's payload, and in copies of it. When the last of these was given back, nobody comes for them any more.</summary>
internal sealed class SentReferences
{
    private readonly List<ISentReference> references = [];
    private int payloads = 1;

    public void Add(ISentReference reference)
    {
        lock (references)
            references.Add(reference);
    }

    public SentReferences AddPayload()
    {
        Interlocked.Increment(ref payloads);
        return this;
    }

    public void EndPayload()
    {
        if (Interlocked.Decrement(ref payloads) > 0)
            return;
        foreach (ISentReference reference in references)
            reference.End();
    }
}
