using System.Buffers;

namespace ManyHands.Platform;

/// <summary>Texts that are handed to the system, which takes bytes up to the first zero: what it would take for another text is refused.</summary>
internal static class SystemText
{
    /// <exception cref="ArgumentException">The text has a null character in it, or half a surrogate pair, so that the system would get another one.</exception>
    public static void Check(string text, string what, string parameter)
    {
        int at = text.IndexOf('\0', StringComparison.Ordinal);
        if (at >= 0)
            throw new ArgumentException($"{what} has a null character at position {at}, where the system would end it: '{Readable(text)}'.", parameter);
        for (int i = 0; i < text.Length;)
        {
            if (System.Text.Rune.DecodeFromUtf16(text.AsSpan(i), out _, out int length) != OperationStatus.Done)
                throw new ArgumentException($"{what} has half a surrogate pair at position {i}, which no system can take: '{Readable(text)}'.", parameter);
            i += length;
        }
    }

    /// <summary>Checks the name of a worker, which stands in lists of processes and in lines of text.</summary>
    /// <exception cref="ArgumentException">There is a control character in it, or half a surrogate pair.</exception>
    public static void CheckName(string name, string parameter)
    {
        Check(name, "The name", parameter);
        if (name.Any(char.IsControl))
            throw new ArgumentException($"The name has a control character in it, such as a new line: '{Readable(name)}'. Leave it out.", parameter);
    }

    /// <exception cref="ArgumentException">The system can't have such a variable.</exception>
    public static void CheckEnvironment(IReadOnlyDictionary<string, string?> variables, string parameter)
    {
        ArgumentNullException.ThrowIfNull(variables, parameter);
        foreach ((string name, string? value) in variables)
        {
            if (name.Length == 0)
                throw new ArgumentException("A variable of the environment has no name; give it one.", parameter);
            if (name.Contains('='))
                throw new ArgumentException($"The variable '{Readable(name)}' of the environment has a '=' in its name, where the system would end it. Is the rest of it the value?", parameter);
            Check(name, "The name of a variable of the environment", parameter);
            if (value is not null)
                Check(value, $"The value of the variable '{name}' of the environment", parameter);
        }
    }

    private static string Readable(string text) => string.Concat(text.Select(static one => char.IsControl(one) || char.IsSurrogate(one) ? $"\\u{(int)one:x4}" : $"{one}"));
}
