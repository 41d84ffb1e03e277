namespace ManyHands;

/// <summary>Python's bytearray. Its bytes may be changed.</summary>
/// <param name="bytes">The bytes themselves, not a copy.</param>
public sealed class PythonByteArray(byte[] bytes)
{
    /// <summary>The bytes themselves, not a copy.</summary>
    public Memory<byte> Bytes { get; } = bytes ?? throw new ArgumentNullException(nameof(bytes));

    /// <summary>Whether it is an <c>array.array</c> of unsigned bytes, and goes back as one.</summary>
    internal bool IsArray { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"bytearray of {Bytes.Length:N0} bytes";
}
