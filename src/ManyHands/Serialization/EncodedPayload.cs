using ManyHands.Platform;

namespace ManyHands.Serialization;

/// <summary>What was encoded and waits to be sent: a small payload as an array of just its size, a large one in the writer's buffer or segment.</summary>
internal readonly struct EncodedPayload
{
    /// <summary>Up to here a copy costs less than a buffer kept for it.</summary>
    private const int LargestCopy = 1024;

    private readonly object? content;

    private EncodedPayload(object? content) => this.content = content;

    /// <summary>Whether it was given back.</summary>
    public bool IsGone => content is null;

    public ReadOnlyMemory<byte> Memory => content switch
    {
        byte[] bytes => bytes,
        PayloadWriter writer => writer.WrittenMemory,
        _ => throw new InvalidOperationException("The call's payload was already given back."),
    };

    public ReadOnlySpan<byte> Span => content is byte[] bytes ? bytes : Memory.Span;

    /// <summary>Where it is if it is a large one.</summary>
    public SharedSegment? Segment => (content as PayloadWriter)?.Segment;

    /// <summary>Takes over what a writer has written; the writer is free for another payload if the result is true.</summary>
    public static bool Take(PayloadWriter writer, out EncodedPayload payload)
    {
        bool isCopied = writer.Segment is null && writer.Length <= LargestCopy && !writer.HasReferences;
        payload = new(isCopied ? writer.WrittenSpan.ToArray() : writer);
        return isCopied;
    }

    /// <summary>The payload in a writer that stays with it.</summary>
    public static EncodedPayload In(PayloadWriter writer) => new(writer);

    /// <summary>Gives back what holds it, once, whoever comes first.</summary>
    public static void Release(ref EncodedPayload payload)
    {
        ref object? content = ref System.Runtime.CompilerServices.Unsafe.As<EncodedPayload, object?>(ref payload);
        (Interlocked.Exchange(ref content, null) as PayloadWriter)?.Dispose();
    }
}
