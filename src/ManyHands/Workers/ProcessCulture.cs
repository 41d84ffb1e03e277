using System.Globalization;
using ManyHands.Serialization;

namespace ManyHands.Workers;

/// <summary>
/// The cultures of a program's threads, as its children take them over. A program that has set none gets its own from the environment, and so does its
/// child: naming it would make every child load the culture data (ICU, 10 ms) before its first call, whether a function needs it or not.
/// </summary>
internal static class ProcessCulture
{
    public static void Write(PayloadWriter writer)
    {
        writer.WriteString(CultureInfo.DefaultThreadCurrentCulture?.Name);
        writer.WriteString(CultureInfo.DefaultThreadCurrentUICulture?.Name);
    }

    public static void Apply(ref PayloadReader reader)
    {
        if (reader.ReadString() is { } culture)
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.GetCultureInfo(culture);
        if (reader.ReadString() is { } texts)
            CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.GetCultureInfo(texts);
    }
}
